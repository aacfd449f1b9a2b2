package portal

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/trail"
)

const trailPath = "/security/events"

// newest is how many lines of a trail the account's page shows.
const newest = 5

// trailPage shows what happened to somebody's account.
func (s security) trailPage(v *pages.Visit, who oidc.Session) error {
	view, err := s.trail(v, who, v.R.URL.Query().Get("before"), pageSize)
	if errors.Is(err, trail.ErrCursor) {
		return pages.ErrInput()
	} else if err != nil {
		return err
	}
	return v.Show(http.StatusOK, view)
}

// trail reads some lines of a trail, from a cursor on, and puts them into words.
func (s security) trail(v *pages.Visit, who oidc.Session, cursor string, limit int) (view web.Trail, err error) {
	page, err := s.p.c.Trail.Page(v.R.Context(), who.Account, cursor, limit)
	if err != nil {
		return view, err
	}
	view.Next, view.Altered, view.Began = page.Next, page.Altered, cursor == ""
	live, err := s.liveSessions(v, who, page.Lines)
	if err != nil {
		return view, err
	}
	for _, l := range page.Lines {
		one := web.TrailLine{What: string(l.What), At: l.At, Refused: l.What.Refused(), Staff: l.By == trail.ByStaff, Factor: string(l.Factor), First: l.First, More: l.More, Service: l.Client != ""}
		if s.p.c.Web.Has("trail.reason." + l.Reason) {
			one.Reason = l.Reason
		}
		for _, t := range l.Tries {
			one.Tries = append(one.Tries, web.TrailTries{What: string(t.What), Count: t.Count})
		}
		if l.Client != "" {
			if one.Client, err = s.clientName(v, l.Client); err != nil {
				return view, err
			}
		}
		if i := slices.IndexFunc(live, func(o oidc.Session) bool { return began(o, l) }); i >= 0 {
			one.Device, one.Address, one.Current = s.p.deviceOf(v, live[i].UserAgent), live[i].Address, live[i].Current
		}
		view.Lines = append(view.Lines, one)
	}
	return view, nil
}

// liveSessions returns somebody's live sessions if one of the lines is of a login: events don't
// say from where somebody logged in, but a session that goes on does.
func (s security) liveSessions(v *pages.Visit, who oidc.Session, lines []trail.Line) ([]oidc.Session, error) {
	if !slices.ContainsFunc(lines, func(l trail.Line) bool { return l.What == trail.LoggedIn }) {
		return nil, nil
	}
	return s.p.c.Sessions.Sessions(v.R.Context(), who)
}

// began reports whether a line is of the login with which a session began. Somebody who logs in
// again at the same browser goes on with the session: then it tells of the last login.
func began(o oidc.Session, l trail.Line) bool {
	near := func(at time.Time) bool { return l.At.Sub(at).Abs() < time.Minute }
	return l.What == trail.LoggedIn && l.Session == o.ID && (near(o.AuthTime) || o.Relayed && near(o.Created))
}

// clientName returns what a client is called now; empty: it is no more.
func (s security) clientName(v *pages.Visit, id string) (string, error) {
	known, err := s.p.c.Clients.Standing(v.R.Context(), id)
	if errors.Is(err, oidc.ErrNotFound) {
		return "", nil
	}
	return known.Client.Names.In(string(v.Lang), known.Client.Name), err
}
