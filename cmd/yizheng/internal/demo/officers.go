package demo

import (
	"context"
	"errors"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
)

// samplePost is a person's post in a sample department. The first one is of an administrator, who
// appoints the others.
type samplePost struct {
	Participant string       `json:"participant"` // its key
	Login       string       `json:"login"`       // whose
	Staff       string       `json:"staff_number"`
	Division    string       `json:"division"`
	Role        officer.Role `json:"role"`
}

// plantPosts has people appointed, and accept. In a demo the two operators are one program.
func (s samples) plantPosts(ctx context.Context, in *install.Installation, byKey map[string]planted) error {
	administrators := map[string]officer.Caller{}
	for _, post := range s.posts {
		for _, p := range s.people {
			if p.Login != post.Login {
				continue
			}
			a, err := in.People.FindAccount(ctx, p.Login)
			if err != nil {
				return err
			}
			who := officer.Caller{Actor: a.ID, Party: a.Party, Assurance: 2, RequestID: "demo"}
			by := officer.Caller{Actor: install.Operator, Operator: true, RequestID: "demo"}
			if post.Role == officer.Administrator {
				administrators[post.Participant] = who
			} else {
				by = administrators[post.Participant]
			}
			n := officer.Appointment{
				Participant: byKey[post.Participant].ID, Name: p.Name, Code: p.code(), StaffNumber: post.Staff, Division: post.Division, Roles: []officer.Role{post.Role},
			}
			if err := plantPost(ctx, in.People.Officers, by, who, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// plantPost makes one post, unless an earlier try did.
func plantPost(ctx context.Context, s *officer.Service, by, who officer.Caller, n officer.Appointment) error {
	p, err := s.Appoint(ctx, by, n)
	if e, refused := errors.AsType[*identity.Error](err); refused && e.Reason == officer.ReasonExists {
		return nil
	}
	if err == nil && p.Waits() {
		by.Actor += ":second"
		p, err = s.Approve(ctx, by, p.ID)
	}
	if err == nil {
		_, err = s.Accept(ctx, who, p.ID, p.Revision)
	}
	return err
}
