"""Reading and writing model files of other projects: GGUF and Hugging Face folders, one module per format."""
