/** What redis_exporter 1.45 tells of a Redis server, as far as the chat's alerts and dashboard use it. */
export const redisExporter: Record<string, string[]> = {
  redis_up: [],
  redis_connected_clients: [],
  redis_db_keys: ["db"],
  redis_evicted_keys_total: [],
  redis_expired_keys_total: [],
  redis_instance_info: ["role", "redis_mode", "redis_version", "maxmemory_policy"],
  redis_master_link_up: ["master_host", "master_port"],
  redis_memory_max_bytes: [],
  redis_memory_used_bytes: [],
};
