"""What a ride costs: from two taps, the network and the rules of the day to rupiah."""
