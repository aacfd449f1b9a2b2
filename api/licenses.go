package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"yizheng.internal/api/problem"
	"yizheng.internal/license"
)

// id is the license in the path.
func (c *call) id() license.ID { return license.ID(c.r.PathValue("id")) }

const idempotencyKey = "Idempotency-Key"

// idempotencyKey returns the header's value; two of them are one too many.
func (c *call) idempotencyKey() (string, error) {
	keys := c.r.Header.Values(idempotencyKey)
	if len(keys) > 1 {
		return "", problem.Refuse(http.StatusBadRequest, "idempotency_key", "There must be one Idempotency-Key.")
	}
	return cmp.Or(keys...), nil
}

func (s *Server) issue(c *call) error {
	key, err := c.idempotencyKey()
	if err != nil {
		return err
	}
	if key == "" {
		return problem.Refuse(http.StatusBadRequest, "idempotency_key_missing", "An Idempotency-Key is required, so that a repeated request issues no second license.")
	}
	var q license.IssueRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if c.r.Header.Get(ifMatch) != "" {
		return problem.Refuse(http.StatusBadRequest, "if_match", "A license that is issued has no revision yet: leave If-Match out.")
	}
	out, err := s.c.Registry.Issue(c.ctx(), c.actor(), q, key)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/licenses/"+string(out.ID))
	return c.issued(out)
}

func (s *Server) replace(c *call) error {
	on, err := c.terms()
	if err != nil {
		return err
	}
	var q license.ReplaceRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	out, err := s.c.Registry.Replace(c.ctx(), c.actor(), c.id(), q, on)
	if err != nil {
		return err
	}
	return c.issued(out)
}

func (c *call) issued(out license.Issued) error {
	c.revised(out.Revision, out.Replayed)
	return c.reply(out)
}

// revised sets the headers of an answer that names a license's revision.
func (c *call) revised(revision int64, replayed bool) {
	if revision > 0 { // 0: answered before revisions were kept
		c.w.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
}

func (s *Server) suspend(c *call) error { return changeState(c, s.c.Registry.Suspend) }
func (s *Server) resume(c *call) error  { return changeState(c, s.c.Registry.Resume) }
func (s *Server) end(c *call) error     { return changeState(c, s.c.Registry.End) }

// changeState serves a change of a license's state.
func changeState[Q any](c *call, change func(context.Context, license.Actor, license.ID, Q, license.Terms) (license.Changed, error)) error {
	on, err := c.terms()
	if err != nil {
		return err
	}
	var q Q
	if err := c.decode(&q); err != nil {
		return err
	}
	changed, err := change(c.ctx(), c.actor(), c.id(), q, on)
	if err != nil {
		return err
	}
	c.revised(changed.Revision, changed.Replayed)
	return c.reply(changed.License)
}

func (s *Server) search(c *call) error {
	var q license.SearchRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	found, err := s.c.Registry.Search(c.ctx(), c.actor(), q)
	if err != nil {
		return err
	}
	return c.reply(found)
}

// version returns the query's version, 0 for the newest.
func (c *call) version() (int, error) {
	if err := c.checkQuery(); err != nil {
		return 0, err
	}
	v, err := c.integer("version", 1, 999, 0)
	return int(v), err
}

func (s *Server) read(c *call) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	l, err := s.c.Registry.Read(c.ctx(), c.actor(), c.id(), version)
	if err != nil {
		return err
	}
	c.revised(l.Revision, false)
	return c.reply(l)
}

func (s *Server) credential(c *call) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	credential, err := s.c.Registry.Credential(c.ctx(), c.actor(), c.id(), version)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", c.e.media)
	return c.send([]byte(credential))
}

func (s *Server) history(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	after, err := c.integer("after", 0, 1<<62, 0)
	if err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	events, err := s.c.Registry.History(c.ctx(), c.actor(), c.id(), after, int(limit))
	if err != nil {
		return err
	}
	page := history{Events: events}
	if n := len(events); n == int(limit) {
		page.Next = events[n-1].Seq
	}
	return c.reply(page)
}
