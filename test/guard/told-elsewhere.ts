/** What redis_exporter 1.45 tells of a Redis server and of a sentinel, as far as the chat's alerts and dashboard use it. */
export const redisExporter: Record<string, string[]> = {
  redis_up: [],
  redis_connected_clients: [],
  redis_connected_slaves: [],
  redis_connected_slave_lag_seconds: ["slave_ip", "slave_port", "slave_state"],
  redis_db_keys: ["db"],
  redis_evicted_keys_total: [],
  redis_expired_keys_total: [],
  redis_instance_info: ["role", "redis_mode", "redis_version", "maxmemory_policy"],
  redis_master_link_up: ["master_host", "master_port"],
  redis_memory_max_bytes: [],
  redis_memory_used_bytes: [],
  redis_sentinel_master_ckquorum_status: ["master_name", "message"],
  redis_sentinel_master_ok_sentinels: ["master_name", "master_address"],
  redis_sentinel_master_ok_slaves: ["master_name", "master_address"],
  redis_sentinel_master_sentinels: ["master_name", "master_address"],
  redis_sentinel_master_slaves: ["master_name", "master_address"],
  redis_sentinel_master_status: ["master_name", "master_address", "master_status"],
};

/** What a server tells of its caches once it has declared some. */
export const ofCaches: Record<string, string[]> = {
  chat_cache_requests_total: ["cache", "result"],
  chat_cache_request_duration_seconds_bucket: ["cache", "result", "le"],
  chat_cache_stale_ratio: ["cache"],
  chat_cache_write_errors_total: ["cache"],
  chat_mongo_reads_saved_total: ["cache"],
};
