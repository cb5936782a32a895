"""From a parsed call to an answer or a stream of bytes, whatever server is in front: nothing here knows an HTTP library."""
