"""Laws fitted in closed form or by expectation-maximisation: no network, no gradient."""
