package install

import (
	"yizheng.internal/signing/highwater"
)

// HighWater opens what this node saw of the database.
func (in *Installation) HighWater() (*highwater.Watch, error) {
	return highwater.New(highwater.Config{
		Memory: in.Keys.Memory(), Store: in.DB.HighWater(), Auth: in.Keys.Keyrings().Auth(), Log: in.Log,
	})
}
