"""A watch over a bundle's answers in production: out-of-domain rate, confidence, score and audited error, by source."""
