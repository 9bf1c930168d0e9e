"""`falkit listen`: a receiver of webhooks that says what comes and passes it on."""
