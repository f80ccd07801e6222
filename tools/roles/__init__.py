"""The index of rules by role in spec/CONTRACT.md, from the roles that each rule names."""
