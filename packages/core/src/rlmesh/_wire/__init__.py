"""Messages of the schema <-> our nouns; the only importer of `rlmesh_proto`."""
