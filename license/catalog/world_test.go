package catalog_test

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
	definer    = licensetest.DefinerOf
	item       = licensetest.Item
	ownItem    = licensetest.OwnItem
	request    = licensetest.Request
	reason     = licensetest.Reason
)

// world is a registry on a database of its own.
type world struct{ *licensetest.World }

func newWorld(t testing.TB) *world { return &world{licensetest.New(t)} }

func TestMain(m *testing.M) { licensetest.Main(m) }
