"""The institution: notary, receipts and courier, and the service that runs them."""
