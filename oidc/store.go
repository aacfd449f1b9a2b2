// Package oidc has the words of the OpenID provider: clients, scopes, secrets, sessions,
// what a browser shows and what comes next in an authorization request, errors, events.
// The rules stand in the packages below it; none knows HTTP.
package oidc

import "errors"

// Conditions of stores.
var (
	ErrNotFound = errors.New("there is none of that name")
	ErrExists   = errors.New("it exists already")
	ErrConflict = errors.New("it changed since it was read")
)
