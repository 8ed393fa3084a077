"""An environment answered over the wire: sessions, handlers, listener. It is given an `Environment`, of any kind."""
