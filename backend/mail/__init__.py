"""Letters and text messages: written with the change that they tell of, sent later, shown to the operator."""
