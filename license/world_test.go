package license_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	publicURL = licensetest.PublicURL
	authority = licensetest.Authority
	otherDept = licensetest.OtherDept
	typeCode  = licensetest.TypeCode
	citizen   = licensetest.Citizen
	national  = licensetest.National
	itemCode  = licensetest.ItemCode
)

var (
	cataloguer = licensetest.Cataloguer
	issuer     = licensetest.Issuer
	stranger   = licensetest.Stranger

	definition = licensetest.Definition
	item       = licensetest.Item
	request    = licensetest.Request
	config     = licensetest.Config
	reason     = licensetest.Reason
	check      = licensetest.Check
)

// world is a registry on a database of its own.
type world struct{ *licensetest.World }

func newWorld(t testing.TB) *world { return &world{licensetest.New(t)} }

func TestMain(m *testing.M) { licensetest.Main(m) }
