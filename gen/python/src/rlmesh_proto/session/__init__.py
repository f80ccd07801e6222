"""Generated from the protobuf package rlmesh.proto.session."""
