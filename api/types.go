package api

import (
	"context"
	"net/http"

	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/license/credential"
)

// code is the license type in the path.
func (c *call) code() credential.TypeCode { return credential.TypeCode(c.r.PathValue("code")) }

func (s *Server) listTypes(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	after := credential.TypeCode(c.r.URL.Query().Get("after"))
	if after != "" {
		if _, err := credential.ParseTypeCode(string(after)); err != nil {
			return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be a type code, as next names it.")
		}
	}
	types, more, err := s.c.Registry.ReadTypes(c.ctx(), c.actor(), after, int(limit))
	if err != nil {
		return err
	}
	list := typeList{Types: types}
	if n := len(types); more && n > 0 {
		list.Next = types[n-1].Code
	}
	return c.reply(list)
}

func (s *Server) readType(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	version, err := c.integer("version", 1, 1<<31-1, 0)
	if err != nil {
		return err
	}
	t, err := s.c.Registry.ReadType(c.ctx(), c.actor(), c.code(), int(version))
	if err != nil {
		return err
	}
	return c.reply(t)
}

func (s *Server) putType(c *call) error {
	var d license.Definition
	if err := c.decode(&d); err != nil {
		return err
	}
	t, created, err := s.c.Registry.PutType(c.ctx(), c.actor(), c.code(), d)
	if err != nil {
		return err
	}
	if created {
		return c.replyAs(http.StatusCreated, t)
	}
	return c.reply(t)
}

func (s *Server) publishType(c *call) error { return c.changeType(s.c.Registry.PublishType) }
func (s *Server) retireType(c *call) error  { return c.changeType(s.c.Registry.RetireType) }

func (c *call) changeType(change func(context.Context, license.Actor, credential.TypeCode) (license.Type, error)) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	if err := c.noBody(); err != nil {
		return err
	}
	t, err := change(c.ctx(), c.actor(), c.code())
	if err != nil {
		return err
	}
	return c.reply(t)
}
