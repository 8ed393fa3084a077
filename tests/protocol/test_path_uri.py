"""Path URIs: the spelling is the reference's, observed on 0.169.0 and fuzzed against it (20,000 texts)."""

from __future__ import annotations

import os

import pytest

from codex_py.protocol.path_uri import ForeignPathError, PathUri, PathUriError, encoded_length

NORMALISED = [
    ("file:///tmp/x", "file:///tmp/x"),
    # scheme and host
    ("FILE://LOCALHOST/x", "file:///x"),
    ("file:x", "file:///x"),
    ("file:/x", "file:///x"),
    ("file:", "file:///"),
    ("file://", "file:///"),
    ("file:.", "file:///"),
    ("file:../x", "file:///x"),
    ("file:a/../b", "file:///b"),
    ("file://localhost", "file:///"),
    ("file://%6cocalhost/x", "file:///x"),
    ("file://local\thost/x", "file:///x"),
    ("file://\uff4cocalhost/x", "file:///x"),
    # white space
    ("  file:///x ", "file:///x"),
    ("fi\tle:///x\ny", "file:///xy"),
    ("file:///x\x01", "file:///x"),
    # slashes
    ("file:///a\\b", "file:///a/b"),
    ("file:\\\\\\x", "file:///x"),
    ("file:\\\\localhost\\x", "file:///x"),
    ("file:////h/p", "file:///h/p"),
    ("file://///", "file:///"),
    ("file:///a//b/", "file:///a//b/"),
    # dot segments
    ("file:///a/.", "file:///a/"),
    ("file:///a/./b", "file:///a/b"),
    ("file:///a/%2E", "file:///a/"),
    ("file:///a/b/..", "file:///a/"),
    ("file:///a/%2e%2e/b", "file:///b"),
    ("file:///a/.%2e/b", "file:///b"),
    ("file:///..", "file:///"),
    ("file:///a/..", "file:///"),
    ("file:///a//..", "file:///a/"),
    ("file:///a//..//b", "file:///a//b"),
    ("file:///..//b", "file:///b"),
    ("file:///a/.b", "file:///a/.b"),
    ("file:///a/..b", "file:///a/..b"),
    ("file:///a/...", "file:///a/..."),
    ("file:///a/%2e%2e%2e", "file:///a/%2e%2e%2e"),
    ("file:///a/..%2Fb", "file:///a/..%2Fb"),
    ("file:///a/c:/../x", "file:///a/c:/x"),
    # escapes
    ("file:///é", "file:///%C3%A9"),
    ("file:///\U0001f600", "file:///%F0%9F%98%80"),
    ("file:///a b%09\tx", "file:///a%20b%09x"),
    ('file:///^`{}|[]<>"\x7f', "file:///^%60%7B%7D|[]%3C%3E%22%7F"),
    ("file:///%zz%4%", "file:///%zz%4%"),
    ("file:///%7e%41%2d", "file:///%7e%41%2d"),
    ("file:///%ff%FE", "file:///%ff%FE"),
    # Windows drives
    ("file:///c:/../x", "file:///C:/x"),
    ("file:///c:/x/../..", "file:///C:/"),
    ("file:///c%3a/x", "file:///C%3a/x"),
    ("file:///c%3a/../y", "file:///y"),
    ("file:///a/../C:/x", "file:///C:/x"),
    ("file:c|/x", "file:///C:/x"),
    ("file:/c|/x", "file:///C:/x"),
    ("file://C|/x", "file:///C:/x"),
    ("file:///../Z|/x", "file:///Z:/x"),
    ("file:///c|/x", "file:///c|/x"),
    ("file:///c|/../y", "file:///c|/y"),
    ("file:///c%7C/x", "file:///c%7C/x"),
    ("file:///c:x", "file:///c:x"),
    ("file:///%63:/x", "file:///%63:/x"),
    ("file://h/c:/x", "file:///C:/x"),
    ("file://h//c:/x", "file://h/c:/x"),
    ("file://h/c%3a/x", "file://h/c%3a/x"),
    # other hosts
    ("file://H/X", "file://h/X"),
    ("file://h", "file://h/"),
    ("file:\\/x", "file://x/"),
    ("file://localhost./x", "file://localhost./x"),
    ("file://a_b/", "file://a_b/"),
    ("file://a..b/", "file://a..b/"),
    ("file://é.com/x", "file://xn--9ca.com/x"),
    ("file://a\u00adb/x", "file://ab/x"),
    ("file://127.1/x", "file://127.0.0.1/x"),
    ("file://0x7f.1/x", "file://127.0.0.1/x"),
    ("file://1.2.3.4./x", "file://1.2.3.4/x"),
    ("file://4294967295/", "file://255.255.255.255/"),
    ("file://0x/", "file://0.0.0.0/"),
    ("file://1../", "file://1../"),
    ("file://[::1]/x", "file://[::1]/x"),
    ("file://[1::2:0:0:3]/", "file://[1::2:0:0:3]/"),
    ("file://[::ffff:1.2.3.4]/", "file://[::ffff:102:304]/"),
    # what the reference cannot write otherwise
    ("file:///%00/bad/path/L0M6", "file:///%00/bad/path/L0M6"),
]

REFUSED = [
    ("", "invalid URI: relative URL without a base"),
    ("x", "invalid URI: relative URL without a base"),
    ("file", "invalid URI: relative URL without a base"),
    ("/tmp/x", "invalid URI: relative URL without a base"),
    ("1:x", "invalid URI: relative URL without a base"),
    ("http://x", "unsupported path URI scheme `http`"),
    ("C:/x", "unsupported path URI scheme `c`"),
    ("file:///a?b", "query parameters are not allowed in path URIs"),
    ("file:///a?", "query parameters are not allowed in path URIs"),
    ("file:///a#", "fragments are not allowed in path URIs"),
    ("file:///a#b?c", "fragments are not allowed in path URIs"),
    ("file:///a%00b", "'file:///a%00b' is invalid on 'linux'"),
    ("file:///c:/%00", "'file:///c:/%00' is invalid on 'linux'"),
    ("file:///%00/bad/path/", "'file:///%00/bad/path/' is invalid on 'linux'"),
    ("file:///%00/bad/path/L3RtcA==", "'file:///%00/bad/path/L3RtcA==' is invalid on 'linux'"),
    ("file://u@h/x", "invalid URI: invalid international domain name"),
    ("file://h:80/x", "invalid URI: invalid international domain name"),
    ("file://localhost:80/", "invalid URI: invalid international domain name"),
    ("file://a b/x", "invalid URI: invalid international domain name"),
    ("file://%zz/", "invalid URI: invalid international domain name"),
    ("file://%ff/", "invalid URI: invalid international domain name"),
    ("file://xn--a/x", "invalid URI: invalid international domain name"),
    ("file://\u00ad/x", "invalid URI: empty host"),
    ("file://[g]/", "invalid URI: invalid IPv6 address"),
    ("file://[::1", "invalid URI: invalid IPv6 address"),
    ("file://a.1/", "invalid URI: invalid IPv4 address"),
    ("file://08/", "invalid URI: invalid IPv4 address"),
    ("file://4294967296/", "invalid URI: invalid IPv4 address"),
    ("file://1.2.3.4.5/", "invalid URI: invalid IPv4 address"),
    ("file:///\ud800", "invalid URI: it holds half of a surrogate pair"),
]

NATIVE = [
    ("file:///", "/"),
    ("file:///tmp/x", "/tmp/x"),
    ("file:///a//b/", "/a/b"),
    ("file:///a%2Fb", "/a/b"),
    ("file:///%2F..%2F", "/"),
    ("file:///a/..%2Fb", "/b"),
    ("file:///a/.%2F%2F.b", "/a/.b"),
    ("file:///a%20b%25%zz", "/a b%%zz"),
    ("file:///%252e", "/%2e"),
    ("file:///%5Cx", "/\\x"),
    ("file:///%C3%A9", "/é"),
    ("file:///%ff", "/\udcff"),
    ("file:///c%7C", "/c|"),
    ("file:///c:x", "/c:x"),
    ("file:///a/C:/x", "/a/C:/x"),
    ("file:///%00/bad/path/L0M6L2Q", "/C:/d"),
]

FOREIGN = [
    "file://h/p",
    "file://127.0.0.1/p",
    "file:///C:/x",
    "file:///C:",
    "file:///C%3A/x",
    "file:///%00/bad/path/L3RtcA",
    "file:///%00/bad/path/eA",
]

WRITTEN = [
    ("/", "file:///"),
    ("/tmp/x.py", "file:///tmp/x.py"),
    ("/home/.venv/..a", "file:///home/.venv/..a"),
    ("//tmp//x/./y/../z/", "file:///tmp/x/z"),
    ("/a b", "file:///a%20b"),
    ('/"#%<>?\\`{}\x7f', "file:///%22%23%25%3C%3E%3F%5C%60%7B%7D%7F"),
    ("/!$&'()*+,-.:;=@[]^_|~", "file:///!$&'()*+,-.:;=@[]^_|~"),
    ("/\t\n", "file:///%09%0A"),
    ("/é\U0001f600", "file:///%C3%A9%F0%9F%98%80"),
    ("/\udcff\udcfe", "file:///%FF%FE"),
    ("/C:", "file:///%00/bad/path/L0M6"),
    ("/C:/d", "file:///%00/bad/path/L0M6L2Q"),
    ("/c:x", "file:///c:x"),
]


@pytest.mark.parametrize(("text", "expected"), NORMALISED)
def test_a_uri_is_brought_into_the_spelling_of_the_reference(text: str, expected: str) -> None:
    assert str(PathUri.parse(text)) == expected


# The reference, asked for its own answer again, takes the host of this one away.
NOT_STABLE = {"file://h/c:/x"}


@pytest.mark.parametrize("text", sorted({expected for _, expected in NORMALISED} - NOT_STABLE))
def test_a_normalised_uri_stays_as_it_is(text: str) -> None:
    assert str(PathUri.parse(text)) == text


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_path_uri_is_refused_in_the_words_of_the_reference(text: str, message: str) -> None:
    with pytest.raises(PathUriError) as caught:
        PathUri.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "path"), NATIVE)
def test_a_uri_names_a_native_path(text: str, path: str) -> None:
    assert PathUri.parse(text).native() == path


@pytest.mark.parametrize("text", FOREIGN)
def test_a_uri_of_another_machine_parses_but_names_no_path_here(text: str) -> None:
    uri = PathUri.parse(text)
    with pytest.raises(ForeignPathError) as caught:
        uri.native()
    assert str(caught.value) == f"'{text}' is invalid on 'linux'"


@pytest.mark.parametrize(("path", "expected"), WRITTEN)
def test_a_native_path_is_written_as_the_reference_writes_it(path: str, expected: str) -> None:
    assert str(PathUri.from_native(path)) == expected


@pytest.mark.parametrize("path", [path for path, _ in WRITTEN])
def test_a_native_path_survives_being_written_and_read(path: str) -> None:
    assert PathUri.parse(str(PathUri.from_native(path))).native() == "/" + os.path.normpath(path).lstrip("/")


def test_every_byte_a_file_name_can_have_survives() -> None:
    for byte in set(range(1, 256)) - {ord("/")}:
        path = os.fsdecode(b"/x" + bytes([byte]) + b"y")
        assert PathUri.parse(str(PathUri.from_native(path))).native() == path


def test_a_relative_path_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="`x` is not an absolute path"):
        PathUri.from_native("x")


@pytest.mark.parametrize("name", ["plain.txt", "a b", "é", "\udcff", "%", "\t"])
def test_the_encoded_length_of_a_name_is_what_it_takes_in_a_uri(name: str) -> None:
    assert encoded_length(name) == len(str(PathUri.from_native("/" + name))) - len("file:///")


def test_uris_are_equal_when_their_normal_forms_are() -> None:
    assert PathUri.parse("file://localhost/a/./b") == PathUri.from_native("/a/b")
    assert hash(PathUri.parse("file:/a")) == hash(PathUri.parse("file:///a"))
    assert PathUri.parse("file:///a") != PathUri.parse("file:///a/")
    assert PathUri.parse("file:///a") != "file:///a"


def test_the_representation_shows_the_text() -> None:
    assert repr(PathUri.parse("file:///a")) == "PathUri('file:///a')"
