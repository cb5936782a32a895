"""The prompt-injection scanner: text extraction, normalisation, ONNX model in its own thread."""
