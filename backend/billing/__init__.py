"""Money: what customers have, owe and are charged."""
