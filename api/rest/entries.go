package rest

import (
	"context"
	"net/http"

	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog/entry"
)

// entries serves the entries of one kind of the catalog. C, D and V are those of
// [entry.KindOf].
type entries[C ~string, D, V any] struct {
	of    *entry.Entries[C, D, V]
	path  string        // names the code in the path
	after func(C) error // refuses a value of the query parameter after that is no code
	page  func(vs []V, more bool) any
}

// code is that of the entry in the path.
func (x *entries[C, D, V]) code(c *call.Call) C { return C(c.Request.PathValue(x.path)) }

func (x *entries[C, D, V]) list(c *call.Call) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	limit, err := c.Integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	after := C(c.Request.URL.Query().Get("after"))
	if after != "" {
		if err := x.after(after); err != nil {
			return err
		}
	}
	vs, more, err := x.of.ReadPage(c.Context(), c.Actor(), after, int(limit))
	if err != nil {
		return err
	}
	return c.Reply(x.page(vs, more && len(vs) > 0))
}

func (x *entries[C, D, V]) read(c *call.Call) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	version, err := c.Integer("version", 1, 1<<31-1, 0)
	if err != nil {
		return err
	}
	v, err := x.of.Read(c.Context(), c.Actor(), x.code(c), int(version))
	if err != nil {
		return err
	}
	return c.Reply(v)
}

func (x *entries[C, D, V]) put(c *call.Call) error {
	var d D
	if err := c.Decode(&d); err != nil {
		return err
	}
	v, created, err := x.of.Put(c.Context(), c.Actor(), x.code(c), d)
	if err != nil {
		return err
	}
	if created {
		return c.ReplyAs(http.StatusCreated, v)
	}
	return c.Reply(v)
}

func (x *entries[C, D, V]) publish(c *call.Call) error { return x.change(c, x.of.Publish) }
func (x *entries[C, D, V]) retire(c *call.Call) error  { return x.change(c, x.of.Retire) }

// change serves a change of an entry's state.
func (x *entries[C, D, V]) change(c *call.Call, to func(context.Context, audit.Actor, C) (V, error)) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	if err := c.NoBody(); err != nil {
		return err
	}
	v, err := to(c.Context(), c.Actor(), x.code(c))
	if err != nil {
		return err
	}
	return c.Reply(v)
}
