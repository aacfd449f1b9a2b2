package doctor

import (
	"context"
	"slices"
	"time"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing"
)

// certificateSoon is how long before its end a certificate is to be renewed.
const certificateSoon = 90 * 24 * time.Hour

// keys looks at the active keys: that they are held here, and certified for a
// while yet.
func (e *examination) keys(ctx context.Context, in *install.Installation) {
	const about = "keys"
	records, err := in.DB.Keys().ListKeys(ctx, "")
	if err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
		return
	}
	active := 0
	for _, record := range records {
		if record.State != signing.KeyActive {
			continue
		}
		k, err := in.Keys.Keyrings().ByID(ctx, record.ID)
		if err != nil {
			e.fail(about, "", "doctor.key_error", record.ID, err)
			continue
		}
		active++
		if k.Public != nil && k.Signer == nil && k.Purpose != signing.PurposeRoot {
			e.fail(about, e.words.Say("doctor.key_elsewhere.todo", k.ID), "doctor.key_elsewhere", k.ID)
		}
		if len(k.Certificates) > 0 {
			e.certificate(k)
		}
	}
	for _, p := range []signing.Purpose{signing.PurposeStatus, signing.PurposeAttestation, signing.PurposeAccessToken, signing.PurposeIDToken, signing.PurposeIDTokenRSA} {
		if !slices.ContainsFunc(records, func(k signing.KeyRecord) bool { return k.Purpose == p && k.State == signing.KeyActive }) {
			e.fail(about, "yizheng key rotate "+string(p), "doctor.no_key", p)
		}
	}
	e.ok(about, "doctor.keys", active)
}

func (e *examination) certificate(k *signing.Key) {
	const about = "certificates"
	todo := "yizheng key rotate " + string(k.Purpose)
	if k.Owner != "" {
		todo += " --owner " + k.Owner
	}
	if k.Purpose == signing.PurposeRoot {
		todo = "doctor.root_expires.todo"
	}
	until := k.Certificates[0].NotAfter
	switch left := until.Sub(e.now); {
	case left <= 0:
		e.fail(about, todo, "doctor.expired", k.ID, texts.Day(until))
	case left < certificateSoon:
		e.warn(about, todo, "doctor.expires", k.ID, texts.Day(until))
	default:
		e.ok(about, "doctor.valid", k.ID, texts.Day(until))
	}
}
