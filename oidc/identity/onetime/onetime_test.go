package onetime_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
)

func TestMain(m *testing.M) { identitytest.Main(m) }

// Of a code that was sent to nobody not even the right one is right.
func TestVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		log := slog.New(slog.DiscardHandler)
		codes := onetime.New(tries.New(w.Memory, w.Vault, log), w.Memory, w.Vault, log)
		for _, void := range []bool{false, true} {
			of := onetime.Key{Subject: "phone", Binding: fmt.Sprint(void)}
			code, err := codes.Keep(t.Context(), of, onetime.Note{Void: void}, ephemeral.PartOpened, "")
			identitytest.IsReason(t, "keeping", err, "")
			_, err = codes.Spend(t.Context(), of, code)
			identitytest.IsReason(t, fmt.Sprint("void: ", void), err, map[bool]string{true: "code_wrong"}[void])
		}
	})
}
