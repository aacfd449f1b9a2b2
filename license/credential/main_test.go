package credential_test

import (
	"context"
	"testing"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
)

func TestMain(m *testing.M) { licensetest.Main(m) }

// cachedStatus is a source that has its list at hand.
func cachedStatus(context.Context, string, int) (credential.StatusValue, error) {
	return credential.StatusValid, nil
}

// notRevoked is a source that no certificate stands in.
func notRevoked(context.Context, []byte) (string, time.Time, bool, error) {
	return "", time.Time{}, false, nil
}

var check = licensetest.Check
