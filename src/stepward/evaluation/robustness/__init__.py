"""What a scorer does when a solution is changed in a way whose meaning is known. The contract is in `contract`."""
