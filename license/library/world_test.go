package library_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
var (
	consumer   = licensetest.Consumer
	newSharing = licensetest.NewSharing
	subject    = licensetest.Subject
	offer      = licensetest.Offer
	redeem     = licensetest.Redeem
)

func TestMain(m *testing.M) { licensetest.Main(m) }
