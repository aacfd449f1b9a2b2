package portal

import (
	"errors"
	"fmt"
	"net/http"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
)

const servicesPath = "/services"

// servicesPage shows which clients may do what with somebody's login.
func (p *Portal) servicesPage(v *pages.Visit, who oidc.Session) error {
	all, err := p.c.Consents.ClientAccesses(v.R.Context(), who)
	if err != nil {
		return err
	}
	view := web.Services{Form: v.Token(purposeService)}
	for _, a := range all {
		one := web.Service{ID: a.Client.ID, Name: a.Client.Names.In(string(v.Lang), a.Client.Name), Participant: a.Participant.Names.In(string(v.Lang), a.Participant.Name), Since: a.Since, Offline: a.Offline}
		for _, scope := range a.Scopes {
			one.Scopes = append(one.Scopes, string(scope))
		}
		view.Services = append(view.Services, one)
	}
	return v.Show(http.StatusOK, view)
}

// endService ends what a client may do with somebody's login.
func (p *Portal) endService(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeService) {
		return pages.ErrForm()
	}
	err = p.c.Consents.EndClientAccess(v.R.Context(), who, form.Get("service"), v.Browser.RequestID)
	if errors.Is(err, oidc.ErrNotFound) {
		err = nil // ended already: the list says what there is
	} else if err == nil {
		v.Notify("service_ended")
	}
	if err != nil {
		return fmt.Errorf("ending a service's access: %w", err)
	}
	return v.Redirect(servicesPath)
}
