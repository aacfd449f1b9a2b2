package passkey

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Created is what a browser sent of a passkey that was made, read and not checked yet.
type Created struct {
	of *protocol.ParsedCredentialCreationData
}

// ReadCreated reads a RegistrationResponseJSON (WebAuthn section 5.1). Errors: ErrRefused.
func ReadCreated(answer string) (Created, error) {
	if len(answer) > mostAnswer {
		return Created{}, fmt.Errorf("%w: it has %d bytes", ErrRefused, len(answer))
	}
	of, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return Created{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return Created{of}, nil
}

// ID returns the credential's id.
func (c Created) ID() []byte { return c.of.RawID }

// Register checks that the passkey was made here, for the challenge of this login, and returns it
// (WebAuthn section 7.1). It uses the challenge up. Errors: ErrRefused, ErrExpired, ErrAway.
func (s *Service) Register(ctx context.Context, binding string, c Created) (Passkey, error) {
	client, object := &c.of.Response.CollectedClientData, &c.of.Response.AttestationObject
	if err := s.spend(ctx, toCreate, binding, client.Challenge); err != nil {
		return Passkey{}, err
	}
	// We ask for no attestation. So browsers take it away, or leave what an authenticator
	// without certificates signed itself (section 5.1.3 step 22). Whatever else there is isn't
	// parsed: nobody would look at it.
	format := protocol.AttestationFormat(object.Format)
	_, certified := object.AttStatement["x5c"]
	if format != protocol.AttestationFormatNone && (format != protocol.AttestationFormatPacked || certified) {
		return Passkey{}, fmt.Errorf("%w: an attestation that wasn't asked for", ErrRefused)
	}
	_, err := c.of.Verify(client.Challenge, s.id, []string{s.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Passkey{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	data := &object.AuthData
	k := Passkey{
		ID: bytes.Clone(data.AttData.CredentialID), Key: bytes.Clone(data.AttData.CredentialPublicKey), Count: data.Counter,
		Eligible: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState(),
		Transports: transports(c.of.Response.Transports), AAGUID: bytes.Clone(data.AttData.AAGUID),
	}
	switch _, err := webauthncose.ParsePublicKey(k.Key); {
	case err != nil: // it could never log in
		return Passkey{}, fmt.Errorf("%w: %w", ErrRefused, err)
	case len(k.ID) == 0 || len(k.ID) > mostID || len(k.Key) > mostKey:
		return Passkey{}, fmt.Errorf("%w: an id of %d bytes, a key of %d", ErrRefused, len(k.ID), len(k.Key))
	case k.BackedUp && !k.Eligible: // section 7.1 step 18
		return Passkey{}, fmt.Errorf("%w: it is backed up and can't be", ErrRefused)
	}
	return k, nil
}

// known are the ways to reach an authenticator that we hand back to browsers.
var known = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

func transports(said []protocol.AuthenticatorTransport) (kept []string) {
	for _, t := range known {
		if slices.Contains(said, t) {
			kept = append(kept, string(t))
		}
	}
	return kept
}

// Assertion is what a browser sent to log somebody in: it answers a challenge of this login,
// which is used up. Its signature wasn't checked yet.
type Assertion struct {
	of *protocol.ParsedCredentialAssertionData
}

// ID returns the id of the credential that shall have signed it.
func (a Assertion) ID() []byte { return a.of.RawID }

// Handle returns the user handle under which the authenticator keeps the passkey; empty: it
// didn't say.
func (a Assertion) Handle() []byte { return a.of.Response.UserHandle }

// Read reads an AuthenticationResponseJSON (WebAuthn section 5.1), and uses up the challenge that
// it answers. Errors: ErrRefused, ErrExpired, ErrAway.
func (s *Service) Read(ctx context.Context, binding, answer string) (Assertion, error) {
	of, err := parse(answer)
	if err != nil {
		return Assertion{}, err
	}
	if err := s.spend(ctx, toGet, binding, of.Response.CollectedClientData.Challenge); err != nil {
		return Assertion{}, err
	}
	return Assertion{of}, nil
}

func parse(answer string) (*protocol.ParsedCredentialAssertionData, error) {
	if len(answer) > mostAnswer {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrRefused, len(answer))
	}
	of, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return of, nil
}

// Verify checks that the passkey signed the assertion, at a page of ours, with its user verified,
// and returns the passkey as it is to be stored then (WebAuthn section 7.2). Errors: ErrRefused,
// ErrCount.
func (s *Service) Verify(a Assertion, k Passkey) (Passkey, error) {
	if !bytes.Equal(a.of.RawID, k.ID) {
		return Passkey{}, fmt.Errorf("%w: another passkey signed it", ErrRefused)
	}
	client, data := &a.of.Response.CollectedClientData, &a.of.Response.AuthenticatorData
	err := a.of.Verify(client.Challenge, s.id, "", []string{s.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		k.Key, protocol.SignaturePolicy{})
	if err != nil {
		return Passkey{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	eligible, backedUp := data.Flags.HasBackupEligible(), data.Flags.HasBackupState()
	if eligible != k.Eligible || backedUp && !eligible { // section 7.2 steps 19 and 20
		return Passkey{}, fmt.Errorf("%w: whether it can be backed up has changed", ErrRefused)
	}
	if k.Count != 0 && data.Counter <= k.Count { // authenticators that don't count say 0
		return Passkey{}, ErrCount
	}
	k.Count, k.BackedUp, k.Used = data.Counter, backedUp, time.Now().UTC().Truncate(time.Second)
	return k, nil
}
