"""The same apps in one machine: the inline engine, scenarios and reports."""
