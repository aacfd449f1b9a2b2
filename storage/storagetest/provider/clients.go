package provider

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/storage/storagetest/suite"
)

// Clients tests [client.Store].
func Clients(t *testing.T, open suite.Open) {
	s := open(t).Provider
	ctx := t.Context()
	fresh := func() client.Record {
		return client.Record{
			ID: suite.NewText(), Participant: suite.NewText(), Body: []byte(`{"name":"样例"}`), Created: suite.At(0), Updated: suite.At(1),
		}
	}
	create := func(t *testing.T, c client.Record) client.Record {
		t.Helper()
		suite.Must(t, "CreateClient", s.CreateClient(ctx, c))
		c.Revision = 1
		return c
	}
	sameClient := func(t *testing.T, what string, want client.Record) {
		t.Helper()
		got, err := s.LoadClient(ctx, want.ID)
		suite.Must(t, "LoadClient", err)
		suite.Same(t, what, got, want)
	}
	t.Run("RoundTrip", func(t *testing.T) {
		c := fresh()
		c.Disabled, c.Created, c.Updated, c.Revision = true, suite.Finer, suite.Finer, 9
		c = create(t, c)
		c.Created, c.Updated = suite.Kept, suite.Kept
		sameClient(t, "a client", c)
		suite.Is(t, "a client again", s.CreateClient(ctx, c), oidc.ErrExists)
		_, err := s.LoadClient(ctx, suite.NewText())
		suite.Is(t, "LoadClient of an unknown one", err, oidc.ErrNotFound)
	})
	t.Run("Update", func(t *testing.T) {
		c := create(t, fresh())
		c.Disabled, c.Body, c.Updated, c.Participant = true, []byte(`{"name":"样例二"}`), suite.At(5), suite.NewText()
		suite.Must(t, "UpdateClient", s.UpdateClient(ctx, c))
		c.Revision = 2
		sameClient(t, "an updated client", c)
		for _, revision := range []int64{0, 1, 3} {
			wrong := c
			wrong.Revision, wrong.Disabled = revision, false
			suite.Is(t, fmt.Sprint("UpdateClient of revision ", revision), s.UpdateClient(ctx, wrong), oidc.ErrConflict)
		}
		suite.Is(t, "UpdateClient of an unknown one", s.UpdateClient(ctx, fresh()), oidc.ErrConflict)
		sameClient(t, "the client after refusals", c)
	})
	t.Run("Race", func(t *testing.T) {
		c := fresh()
		suite.OneWins(t, "an ID", suite.Race(suite.Writers, func(int) error { return s.CreateClient(ctx, c) }), oidc.ErrExists)
		c.Revision = 1
		suite.OneWins(t, "an update", suite.Race(suite.Writers, func(int) error { return s.UpdateClient(ctx, c) }), oidc.ErrConflict)
		c.Revision = 2
		sameClient(t, "the client", c)
	})
	t.Run("List", func(t *testing.T) { clientsList(t, open(t).Provider, fresh) })
	t.Run("Ended", func(t *testing.T) { clientsEnded(t, s, fresh()) })
}

func clientsEnded(t *testing.T, s client.Store, c client.Record) {
	suite.Is(t, "CreateClient", s.CreateClient(suite.Ended(), c), context.Canceled)
	_, err := s.LoadClient(t.Context(), c.ID)
	suite.Is(t, "LoadClient after that", err, oidc.ErrNotFound)
	_, err = s.LoadClient(suite.Ended(), c.ID)
	suite.Is(t, "LoadClient", err, context.Canceled)
	_, err = s.ListClients(suite.Ended(), "", "", 1)
	suite.Is(t, "ListClients", err, context.Canceled)
	suite.Is(t, "UpdateClient", s.UpdateClient(suite.Ended(), c), context.Canceled)
}

func clientsList(t *testing.T, s client.Store, fresh func() client.Record) {
	ctx := t.Context()
	var all []client.Record
	for i := range 9 {
		c := fresh()
		c.ID, c.Participant = fmt.Sprintf("client-%d", i), []string{"p", "q", "q"}[i%3]
		suite.Must(t, "CreateClient", s.CreateClient(ctx, c))
		c.Revision = 1
		all = append(all, c)
	}
	for _, participant := range []string{"", "p", "q", "nobody"} {
		var want []client.Record
		for _, c := range all {
			if participant == "" || participant == c.Participant {
				want = append(want, c)
			}
		}
		for size := 1; size < 12; size += 2 {
			got := suite.Paged(t, size, func(last *client.Record) ([]client.Record, error) {
				after := ""
				if last != nil {
					after = last.ID
				}
				return s.ListClients(ctx, participant, after, size)
			})
			suite.Same(t, fmt.Sprintf("clients of %q in pages of %d", participant, size), got, want)
		}
	}
	none, err := s.ListClients(ctx, "", "", 0)
	suite.Must(t, "ListClients", err)
	suite.Same(t, "clients up to limit 0", len(none), 0)
}
