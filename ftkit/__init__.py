"""ftkit: a measured, costed decision between prompting, RAG, fine-tuning and a hybrid."""

__version__ = "0.1.0"
