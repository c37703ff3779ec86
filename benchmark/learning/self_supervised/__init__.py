"""Self-supervised pre-training of image and table encoders, and what is trained on top of them."""
