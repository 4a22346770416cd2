"""What travels: protobuf messages, frames, parcels and tensors."""
