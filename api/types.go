package api

import (
	"net/http"

	"yizheng.internal/license"
)

func (s *Server) listTypes(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	types, err := s.c.Registry.Types(c.ctx(), license.TypeCode(c.r.URL.Query().Get("after")), int(limit))
	if err != nil {
		return err
	}
	list := typeList{Types: types}
	if n := len(types); n == int(limit) {
		list.Next = string(types[n-1].Code)
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
	t, err := s.c.Registry.Type(c.ctx(), license.TypeCode(c.r.PathValue("code")), int(version))
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
	t, created, err := s.c.Registry.PutType(c.ctx(), c.actor(), license.TypeCode(c.r.PathValue("code")), d)
	if err != nil {
		return err
	}
	if created {
		return c.replyAs(http.StatusCreated, t)
	}
	return c.reply(t)
}

func (s *Server) publishType(c *call) error {
	return c.changeType(s.c.Registry.PublishType)
}

func (s *Server) retireType(c *call) error {
	return c.changeType(s.c.Registry.RetireType)
}
