package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// Clients tests [client.Store].
func Clients(t *testing.T, open Open) {
	s := open(t).Provider
	ctx := t.Context()
	fresh := func() client.Record {
		return client.Record{
			ID: newText(), Participant: newText(), Body: []byte(`{"name":"样例"}`), Created: at(0), Updated: at(1),
		}
	}
	create := func(t *testing.T, c client.Record) client.Record {
		t.Helper()
		must(t, "CreateClient", s.CreateClient(ctx, c))
		c.Revision = 1
		return c
	}
	sameClient := func(t *testing.T, what string, want client.Record) {
		t.Helper()
		got, err := s.LoadClient(ctx, want.ID)
		must(t, "LoadClient", err)
		same(t, what, got, want)
	}
	t.Run("RoundTrip", func(t *testing.T) {
		c := fresh()
		c.Disabled, c.Created, c.Updated, c.Revision = true, finer, finer, 9
		c = create(t, c)
		c.Created, c.Updated = kept, kept
		sameClient(t, "a client", c)
		is(t, "a client again", s.CreateClient(ctx, c), oidc.ErrExists)
		_, err := s.LoadClient(ctx, newText())
		is(t, "LoadClient of an unknown one", err, oidc.ErrNotFound)
	})
	t.Run("Update", func(t *testing.T) {
		c := create(t, fresh())
		c.Disabled, c.Body, c.Updated, c.Participant = true, []byte(`{"name":"样例二"}`), at(5), newText()
		must(t, "UpdateClient", s.UpdateClient(ctx, c))
		c.Revision = 2
		sameClient(t, "an updated client", c)
		for _, revision := range []int64{0, 1, 3} {
			wrong := c
			wrong.Revision, wrong.Disabled = revision, false
			is(t, fmt.Sprint("UpdateClient of revision ", revision), s.UpdateClient(ctx, wrong), oidc.ErrConflict)
		}
		is(t, "UpdateClient of an unknown one", s.UpdateClient(ctx, fresh()), oidc.ErrConflict)
		sameClient(t, "the client after refusals", c)
	})
	t.Run("Race", func(t *testing.T) {
		c := fresh()
		oneWins(t, "an ID", race(Writers, func(int) error { return s.CreateClient(ctx, c) }), oidc.ErrExists)
		c.Revision = 1
		oneWins(t, "an update", race(Writers, func(int) error { return s.UpdateClient(ctx, c) }), oidc.ErrConflict)
		c.Revision = 2
		sameClient(t, "the client", c)
	})
	t.Run("List", func(t *testing.T) { clientsList(t, open(t).Provider, fresh) })
	t.Run("Ended", func(t *testing.T) { clientsEnded(t, s, fresh()) })
}

func clientsEnded(t *testing.T, s client.Store, c client.Record) {
	is(t, "CreateClient", s.CreateClient(ended(), c), context.Canceled)
	_, err := s.LoadClient(t.Context(), c.ID)
	is(t, "LoadClient after that", err, oidc.ErrNotFound)
	_, err = s.LoadClient(ended(), c.ID)
	is(t, "LoadClient", err, context.Canceled)
	_, err = s.ListClients(ended(), "", "", 1)
	is(t, "ListClients", err, context.Canceled)
	is(t, "UpdateClient", s.UpdateClient(ended(), c), context.Canceled)
}

func clientsList(t *testing.T, s client.Store, fresh func() client.Record) {
	ctx := t.Context()
	var all []client.Record
	for i := range 9 {
		c := fresh()
		c.ID, c.Participant = fmt.Sprintf("client-%d", i), []string{"p", "q", "q"}[i%3]
		must(t, "CreateClient", s.CreateClient(ctx, c))
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
			got := paged(t, size, func(last *client.Record) ([]client.Record, error) {
				after := ""
				if last != nil {
					after = last.ID
				}
				return s.ListClients(ctx, participant, after, size)
			})
			same(t, fmt.Sprintf("clients of %q in pages of %d", participant, size), got, want)
		}
	}
	none, err := s.ListClients(ctx, "", "", 0)
	must(t, "ListClients", err)
	same(t, "clients up to limit 0", len(none), 0)
}
