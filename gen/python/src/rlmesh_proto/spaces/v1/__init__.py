"""Generated from the protobuf package rlmesh.proto.spaces.v1."""
