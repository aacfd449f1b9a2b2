// Package oidc defines the vocabulary of the OpenID provider: clients, scopes, secrets,
// sessions, what a browser sends, the steps of an authorization request, errors, events.
// The packages below it have the rules. None of them knows HTTP.
package oidc

import "errors"

// Errors of stores.
var (
	ErrNotFound = errors.New("there is none of that name")
	ErrExists   = errors.New("it exists already")
	ErrConflict = errors.New("it changed since it was read")
)
