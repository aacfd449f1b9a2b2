package catalog

// CompiledSchemas returns how many compiled schemas a catalog keeps.
func CompiledSchemas(c *Catalog) int {
	c.types.schemas.mu.Lock()
	defer c.types.schemas.mu.Unlock()
	return len(c.types.schemas.places)
}
