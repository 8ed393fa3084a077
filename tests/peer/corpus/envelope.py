"""Messages as text: shapes, ids, parse errors, what closes the connection and what does not."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import SAME, Accept, Case, Differs, Send

_IDS = [
    "0", "1", "-1", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "5.0", "1e2", "1E0", "0.5", "-0.0", "1e400", '""', '"x"', '"5"',
    '"é\\u0000"', '"\\ud83d\\ude00"', "null", "true", "false", "[]", "[1]", "{}", '{"a":1}',
]  # fmt: skip

_BROKEN = [
    "", " ", "\n", "{", "}", "[", "]", "{bad", "{'id':5}", '{"id"', '{"id":', '{"id":5', '{"id":5,', '{"id":5,}',
    '{"id":5 "a":1}', "{,}", "nul", "null", "true", "5", '"x"', "[]", "[1]",
    '[{"id":1,"method":"environment/status"}]', "{}", '{"id":1}', '{"id":5,"params":{}}', '{"error":{}}',
    '{"result":1}', '{"result":null}', '{"error":{"code":1,"message":"x"}}', '{"id":5,"error":5}',
    '{"id":5,"error":null}', '{"id":5,"error":{"code":1}}', '{"id":5,"error":{"message":"x"}}',
    '{"id":5,"error":{"code":"x","message":"y"}}', '{"id":5,"error":{"code":1.5,"message":"y"}}',
    '{"id":5,"error":{"code":1,"message":5}}', '{"id":5,"error":[]}', '{"id":null,"error":{"code":1,"message":"y"}}',
    '{"id":1.5,"result":1}', '{"id":true,"result":1}', '{"method":5}', '{"id":1,"method":5}',
    '{"id":1,"method":null}', '{"id":1,"method":[]}', '{"id":1,"method":{}}', '{"id":1,"method":true}',
    '{"method":null}', '{"method":[]}', '{"id":1,"id":2,"method":"environment/status"}',
    '{"id":1,"method":"a","method":"b"}', '{"id":1,"method":"environment/status","params":{"a":1,"a":2}}',
    '{"id":1,"method":"nope","x":{"y":{"z":1,"z":1}}}', '{"id":1,"method":"nope","params":[{"a":1,"\\u0061":2}]}',
    '{"id":1,"method":"nope"} x', '{"id":1,"method":"nope"}{"id":2,"method":"nope"}', '{"id":1,"method":"nope"},',
    '{"id":1,"method":"nope",}', '{"id":1,"method":"nope","params":[1,]}', '{"id":1,"method":"nope","params":NaN}',
    '{"id":1,"method":"nope","params":Infinity}', '{"id":1,"method":"nope","params":-Infinity}',
    '{"id":1,"method":"nope","params":01}', '{"id":01,"method":"nope"}', '{"id":+1,"method":"nope"}',
    '{"id":.5,"method":"nope"}', '{"id":1.,"method":"nope"}', '{"id":-,"method":"nope"}', '{"id":1e,"method":"nope"}',
    '{"id":0x1,"method":"nope"}', '{"id":1,"method":"a\nb"}', '{"id":1,"method":"a\tb"}', '{"id":1,"method":"a\\x"}',
    '{"id":1,"method":"a\\u12"}', '{"id":1,"method":"\\ud800"}', '{"id":1,"method":"\\udc00"}',
    '{"id":1,"method":"\\ud800\\u0041"}', '{"id":1,"method":"nope","params":"\\ud800"}',
    '{"id":1,"method":"nope","\\ud800":1}', '{"id":1,"method":"nope" /* c */}', '// c\n{"id":1,"method":"nope"}',
    "\ufeff{}", '\ufeff{"id":1,"method":"nope"}', '\u00a0{"id":1,"method":"nope"}', '{"id":1,\u2028"method":"nope"}',
    '\x00{"id":1,"method":"nope"}', '{"id":1,"method":"nope"}\x00', '\x0c{"id":1,"method":"nope"}',
    '{"id":1,"method":"nope","params":1e400}', '{"id":1,"method":"nope","params":-1e400}',
    '{"id":1,"method":"nope","params":1e-400}', '{1:2}', '{"a":1', '{"a" 1}', '{"a"::1}', '{"a":tru}', '{"a":"x',
    '{"id":1,"method":"unterminated', "Content-Length: 5\r\n\r\n{}", "hello", "undefined",
]  # fmt: skip

_WHOLE = [
    '{"jsonrpc":"2.0","id":1,"method":"environment/status"}', '{"jsonrpc":5,"id":1,"method":"environment/status"}',
    '{"jsonrpc":null,"id":1,"method":"environment/status"}',
    '{"id":1,"method":"environment/status","extra":{"a":[1]}}', '{"method":"environment/status","id":1}',
    ' \n\t\r{"id":1,"method":"environment/status"} \n\t\r', '{ "id" : 1 , "method" : "environment/status" }',
    '{"\\u0069d":1,"m\\u0065thod":"environment\\/status"}', '{"id":1,"method":"environment/status","result":5}',
    '{"id":1,"method":"environment/status","error":{"code":1,"message":"x"}}',
    '{"id":1,"method":"environment/status","error":5}', '{"id":1,"method":"environment/status","params":null}',
    '{"id":1,"method":"environment/status","params":{}}', '{"id":1,"method":"environment/status","trace":null}',
    '{"id":1,"method":"environment/status","trace":{}}',
    '{"id":1,"method":"environment/status","trace":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=b"}}',
    '{"id":1,"method":"environment/status","trace":{"traceparent":null,"tracestate":null}}',
    '{"id":1,"method":"environment/status","trace":{"traceparent":"garbage"}}',
    '{"id":1,"method":"environment/status","trace":{"traceparent":""}}',
    '{"id":1,"method":"environment/status","trace":{"other":1}}', '{"id":1,"method":"environment/status","trace":5}',
    '{"id":1,"method":"environment/status","trace":"x"}', '{"id":1,"method":"environment/status","trace":[]}',
    '{"id":1,"method":"environment/status","trace":["a","b"]}',
    '{"id":1,"method":"environment/status","trace":["a"]}', '{"id":1,"method":"environment/status","trace":true}',
    '{"id":1,"method":"environment/status","trace":{"traceparent":5}}',
    '{"id":1,"method":"environment/status","trace":{"tracestate":5}}',
    '{"id":1,"method":"environment/status","trace":{"tracestate":[]}}', '{"id":1,"method":"nope","trace":5}',
    '{"id":null,"method":"nope","trace":5}', '{"id":1,"method":5,"trace":5}', '{"ID":1,"method":"nope"}',
    '{"id":1,"Method":"nope"}', '{"id":1,"method":"nope","params":1e308}',
    '{"id":1,"method":"nope","params":123456789012345678901234567890}', '{"id":1,"method":"nope","params":0.1e-5}',
    '{"id":1,"method":"nope","params":"\\ud83d\\ude00 \\b\\f\\n\\/"}', '{"id":1,"method":"nope\\u0000x"}',
    '{"id":1,"method":"é"}', '{"id":1,"method":"`x`"}', '{"id":1,"method":"a\\"b"}', '{"id":1,"method":"a\\nb"}',
    '{"id":1,"method":"\x7f"}', '{"id":1,"method":"environment/status","params":{"":{}}}',
    '{"id":"x","method":"environment/status","params":[]}',
]  # fmt: skip

_UNSOLICITED = [
    '{"id":1,"result":{}}', '{"id":1,"result":null}', '{"id":"x","result":5}',
    '{"id":1,"error":{"code":1,"message":"x"}}', '{"id":-1,"error":{"code":1,"message":"x","data":[1]}}',
    '{"id":1,"result":{},"error":{"code":1,"message":"x"}}', '{"id":1,"result":1,"error":5}',
    '{"id":99999,"result":[],"jsonrpc":"2.0"}', '{"method":"environment/status","id":null}', '{"method":"nope"}',
    '{"method":"nope","params":5}', '{"method":"nope","trace":5}', '{"method":"initialized","result":5}',
    '{"method":"initialized","error":5}', '{"method":"initialized","trace":5}',
    '{"method":"initialized","jsonrpc":"1"}', '{"method":"process/output","params":{}}',
]  # fmt: skip


_POSITIONAL = Differs("structs given as arrays need not be taken", (Accept(code=-32600), SAME))


def cases() -> Iterator[Case]:
    for state in ("full", "none"):
        said = "" if state == "full" else ", before initialize"
        for text in _BROKEN:
            yield Case(f"the text {text!a}{said}", (Send(text),), handshake=state)
        for text in (*_WHOLE, *_UNSOLICITED):
            differs = _POSITIONAL if '"trace":[' in text else None
            yield Case(f"the message {text!a}{said}", (Send(text, differs),), handshake=state)
        for identity in _IDS:
            for method in ("environment/status", "nope"):
                text = f'{{"id":{identity},"method":"{method}"}}'
                yield Case(f"{method} with the id {identity!a}{said}", (Send(text),), handshake=state)
    for identity in _IDS:
        text = f'{{"id":{identity},"method":"fs/readFile","params":{{"path":5}}}}'
        yield Case(f"bad params with the id {identity!a}", (Send(text),))
    long = '"' + "i" * 100_000 + '"'
    yield Case("an id of 100 000 characters", (Send(f'{{"id":{long},"method":"environment/status"}}'),))
    yield Case("a method of 100 000 characters", (Send(f'{{"id":1,"method":{long}}}'),))
    yield from _binary()
    yield from _repeated()


def _binary() -> Iterator[Case]:
    frames = {
        "a request": b'{"id":1,"method":"environment/status"}',
        "nothing": b"",
        "a byte that is no UTF-8": b"\xff",
        "no UTF-8 in a method": b'{"id":1,"method":"\xff"}',
        "no UTF-8 in params": b'{"id":1,"method":"nope","params":"\xc3"}',
        "no UTF-8 in a key": b'{"id":1,"method":"nope","\xff":1}',
        "no UTF-8 after the object": b'{"id":1,"method":"nope"}\xff',
        "an overlong slash": b'{"id":1,"method":"\xc0\xaf"}',
        "an encoded surrogate": b'{"id":1,"method":"\xed\xa0\x80"}',
        "UTF-8": '{"id":1,"method":"é"}'.encode(),
        "a byte order mark": b'\xef\xbb\xbf{"id":1,"method":"nope"}',
        "UTF-16": '{"id":1,"method":"nope"}'.encode("utf-16"),
        "NUL bytes": b"\0" * 10,
        "a notification": b'{"method":"initialized"}',
        "an unknown notification": b'{"method":"nope"}',
    }
    for label, data in frames.items():
        yield Case(f"a binary frame with {label}", (Send(data),))


def _repeated() -> Iterator[Case]:
    same = Send('{"id":7,"method":"environment/status"}')
    yield Case("one id, three requests", (same, same, same))
    yield Case("a parse error does not end the connection", (Send("{"), same, Send("[]"), same, Send(b"\xff"), same))
    yield Case("after a violation nothing is answered", (Send('{"method":"nope"}'), same))
