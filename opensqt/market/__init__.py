"""Pure venue model: matching, fill rules, account, filters, synthetic market, frame format."""
