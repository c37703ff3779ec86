"""Text and vision: a language model trained here, sections of reports matched, and images mapped to the reports' vectors."""
