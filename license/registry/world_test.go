package registry_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	authority = licensetest.Authority
	otherDept = licensetest.OtherDept
	typeCode  = licensetest.TypeCode
	citizen   = licensetest.Citizen
	itemCode  = licensetest.ItemCode
	spouse    = licensetest.Spouse
)

var (
	cataloguer = licensetest.Cataloguer
	issuer     = licensetest.Issuer
	stranger   = licensetest.Stranger

	definition = licensetest.Definition
	request    = licensetest.Request
	config     = licensetest.Config
	reason     = licensetest.Reason
	check      = licensetest.Check

	consumer     = licensetest.Consumer
	newWorld     = licensetest.New
	newSharing   = licensetest.NewSharing
	newDelivery  = licensetest.NewDelivery
	ask          = licensetest.Ask
	subject      = licensetest.Subject
	redeem       = licensetest.Redeem
	ending       = licensetest.Ending
	suspension   = licensetest.Suspension
	seen         = licensetest.Seen
	cachedStatus = licensetest.CachedStatus
)

// world is a registry on a database of its own.
type world = licensetest.World

type stores = licensetest.Stores

func TestMain(m *testing.M) { licensetest.Main(m) }
