package acting_test

import (
	"testing"

	"yizheng.internal/oidc/identity/identitytest"
)

func TestMain(m *testing.M) { identitytest.Main(m) }
