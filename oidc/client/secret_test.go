package client

import (
	"testing"
	"time"

	"yizheng.internal/oidc"
)

func TestClientOfAnEarlierProgramLoads(t *testing.T) {
	c, err := clientOf(Record{ID: "x", Body: []byte(`{"name":"n","scopes":["license:read"],"redirect_uris":["https://later.example"]}`)})
	if err != nil || c.Name != "n" || c.ID != "x" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := clientOf(Record{ID: "x", Body: []byte(`{`)}); err == nil {
		t.Error("a broken body was read")
	}
}

// The zero Client stands for an unknown one; the dummy must match nothing.
func TestUnknownClientMatchesNothing(t *testing.T) {
	for _, s := range []oidc.Secret{{}, oidc.NewSecret(), oidc.SecretOf(string(dummySum))} {
		if matches(oidc.Client{}, s, time.Now()) {
			t.Error("a client without secrets matched")
		}
	}
	dead := oidc.Client{Secrets: []oidc.SecretHash{{Algorithm: "md5", Sum: dummySum}, {Algorithm: hashSHA256, Sum: nil}}}
	if matches(dead, oidc.Secret{}, time.Now()) {
		t.Error("an unusable hash matched")
	}
}

// A rotation never ends a secret later than it would have ended anyway.
func TestRotationDoesNotProlong(t *testing.T) {
	now := time.Now()
	c := rotated(rotated(oidc.Client{}, oidc.NewSecret(), 0, now), oidc.NewSecret(), time.Minute, now)
	c.Secrets = c.Secrets[1:] // the one that ends within a minute
	c = rotated(c, oidc.NewSecret(), time.Hour, now)
	if got := c.Secrets[1].Expires; !got.Equal(now.Add(time.Minute)) {
		t.Errorf("the secret now ends at %v", got)
	}
}
