package verify_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	authority = licensetest.Authority
	typeCode  = licensetest.TypeCode
	nonce     = licensetest.Nonce
)

var (
	issuer       = licensetest.Issuer
	definition   = licensetest.Definition
	request      = licensetest.Request
	config       = licensetest.Config
	reason       = licensetest.Reason
	check        = licensetest.Check
	consumer     = licensetest.Consumer
	newWorld     = licensetest.New
	newDelivery  = licensetest.NewDelivery
	redeem       = licensetest.Redeem
	seen         = licensetest.Seen
	cachedStatus = licensetest.CachedStatus
)

func TestMain(m *testing.M) { licensetest.Main(m) }
