package catalog

// CompiledSchemas returns how many compiled schemas a catalog keeps.
func CompiledSchemas(c *Catalog) int {
	c.types.cache.schemas.mu.Lock()
	defer c.types.cache.schemas.mu.Unlock()
	return len(c.types.cache.schemas.places)
}
