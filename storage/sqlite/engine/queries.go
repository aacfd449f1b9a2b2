package engine

import "context"

// One reads one row. If there is none it returns the error none.
func One(ctx context.Context, db *DB, none error, sql string, f func(*Row), values ...any) error {
	found := false
	err := db.Read(ctx, func(c *Conn) error {
		return c.Query(sql, func(r *Row) { f(r); found = true }, values...)
	})
	if err == nil && !found {
		return none
	}
	return err
}

// Many reads all rows of a query.
func Many[T any](ctx context.Context, db *DB, sql string, scan func(*Row) T, values ...any) ([]T, error) {
	var all []T
	err := db.Read(ctx, func(c *Conn) error {
		all = nil
		return c.Query(sql, func(r *Row) { all = append(all, scan(r)) }, values...)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
