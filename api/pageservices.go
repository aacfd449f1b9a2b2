package api

import (
	"errors"
	"fmt"
	"net/http"

	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
)

const servicesPath = "/services"

// servicesPage shows which clients may do what with somebody's login.
func (s *Server) servicesPage(v *visit, who oidc.Session) error {
	all, err := s.c.Provider.Consents.ClientAccesses(v.r.Context(), who)
	if err != nil {
		return err
	}
	view := web.Services{Form: v.token(purposeService)}
	for _, a := range all {
		one := web.Service{ID: a.Client.ID, Name: a.Client.Names.In(string(v.lang), a.Client.Name), Participant: a.Participant.Names.In(string(v.lang), a.Participant.Name), Since: a.Since, Offline: a.Offline}
		for _, scope := range a.Scopes {
			one.Scopes = append(one.Scopes, string(scope))
		}
		view.Services = append(view.Services, one)
	}
	return v.show(http.StatusOK, view)
}

// endService ends what a client may do with somebody's login.
func (s *Server) endService(v *visit, who oidc.Session) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.checked(form, purposeService) {
		return errForm()
	}
	err = s.c.Provider.Consents.EndClientAccess(v.r.Context(), who, form.Get("service"), v.browser.RequestID)
	if errors.Is(err, oidc.ErrNotFound) {
		err = nil // ended already: the list says what there is
	} else if err == nil {
		v.notify("service_ended")
	}
	if err != nil {
		return fmt.Errorf("ending a service's access: %w", err)
	}
	return v.redirect(servicesPath)
}
