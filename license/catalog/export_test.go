package catalog

// CompiledSchemas returns how many compiled schemas a catalog keeps.
func CompiledSchemas(c *Catalog) int { return c.types.schemas.Len() }
